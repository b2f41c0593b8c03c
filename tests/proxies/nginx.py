"""nginx, as docs/proxies.md configures it."""

import grp
import os
import pwd
import signal

from .ingress import Ingress
from .manual import changed, printed

# What a distribution's nginx.conf is around the page's files. Workers run as whoever runs the test, as the Unix socket
# and the temporary files are theirs.
AROUND = """
user {user} {group};
pid {directory}/pid;
error_log {directory}/log info;
worker_processes 1;
{top}
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    {site}
}}
"""


class Nginx(Ingress):
    """Its log is what it says of connections and errors."""

    PROGRAM = "nginx"
    RELOAD = signal.SIGHUP

    def command(self, path):
        return ["nginx", "-c", path, "-e", self.log_file, "-g", "daemon off;"]

    def configuration(self):
        site = printed("nginx", "/etc/nginx/conf.d/smile-relay.conf")
        if self.tls_to_relay:
            plain = "grpc_pass grpc://127.0.0.1:50051;"
            site = changed(site, [(plain, printed("nginx", f"With TLS to the relay: in place of {plain}"))])
            site = changed(site, [
                ("grpcs://relay.internal:50051", f"grpcs://{self.relay.grpc}"),
                ("/etc/ssl/internal-ca.pem", self.authority.certificate),
            ])  # fmt: skip
        else:
            site = changed(site, [("grpc://127.0.0.1:50051", f"grpc://{self.relay.grpc}")])
        text = AROUND.format(
            user=pwd.getpwuid(os.geteuid()).pw_name,
            group=grp.getgrgid(os.getegid()).gr_name,
            directory=self.directory,
            top=printed("nginx", "/etc/nginx/nginx.conf, at its top level"),
            site=changed(site, [
                ("listen 443 ", f"listen {self.public} "),
                ("listen 10.0.0.5:50443 ", f"listen {self.streams} "),
                ("/etc/ssl/relay.pem", self.identity.certificate),
                ("/etc/ssl/private/relay.key", self.identity.key),
                ("http://127.0.0.1:8443", f"http://{self.relay.public}"),
            ]),
        )  # fmt: skip
        return self.directory / "nginx.conf", changed(text, self.changes)
