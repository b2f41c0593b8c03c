"""Checks what Helm rendered, from stdin: `rendered.py NAME CONFIG_FOLDER`.

Each object against the schemas of several Kubernetes versions (those that are no part of Kubernetes by a list of what
they need); each pod against the pod security profile `restricted`, and a root file system that can't be written; that
what names something else names something that is there. Writes the relay's configuration file, and the commands of its probes,
into CONFIG_FOLDER.
"""

import pathlib
import re
import sys
import tomllib

import kubernetes_validate
import yaml

VERSIONS = ["1.29", "1.32", "1.37"]

# What is no part of Kubernetes, with the paths that have to be there.
CUSTOM = {
    ("monitoring.coreos.com/v1", "ServiceMonitor"): ["spec.selector.matchLabels", "spec.endpoints.0.port"],
    ("monitoring.coreos.com/v1", "PrometheusRule"): ["spec.groups.0.name", "spec.groups.0.rules.0.alert"],
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): ["spec.parentRefs.0.name", "spec.rules.0.backendRefs.0.port"],
    ("gateway.networking.k8s.io/v1", "GRPCRoute"): ["spec.parentRefs.0.name", "spec.rules.0.backendRefs.0.port"],
    **{
        (f"gateway.networking.k8s.io/{version}", "TLSRoute"): ["spec.parentRefs.0.name", "spec.hostnames.0", "spec.rules.0.backendRefs.0.port"]
        for version in ("v1", "v1alpha3", "v1alpha2")
    },
    ("gateway.networking.k8s.io/v1", "BackendTLSPolicy"): ["spec.targetRefs.0.name", "spec.validation.hostname"],
}

# The only kinds of volumes that `restricted` allows.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}

problems = []


def problem(what):
    problems.append(what)


def find(value, path):
    for step in path.split("."):
        try:
            value = value[int(step)] if step.isdigit() else value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def schema(obj, name):
    custom = CUSTOM.get((obj["apiVersion"], obj["kind"]))
    if custom is not None:
        for path in custom:
            if find(obj, path) is None:
                problem(f"{name}: {path} is missing")
        return
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(obj, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            problem(f"{name}: Kubernetes {version}: {'.'.join(map(str, error.path))}: {error.message}")
        except (kubernetes_validate.SchemaNotFoundError, kubernetes_validate.InvalidSchemaError) as error:
            problem(f"{name}: Kubernetes {version} knows no such object: {error}")


def restricted(spec, name):
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    pod = spec.get("securityContext") or {}
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key):
            problem(f"{name}: {key}")
    if pod.get("sysctls"):
        problem(f"{name}: sysctls")
    for volume in spec.get("volumes") or []:
        kinds = set(volume) - {"name"}
        if len(kinds) != 1 or not kinds <= VOLUMES:
            problem(f"{name}: volume {volume['name']} is of the kinds {sorted(kinds)}")
    for container in (spec.get("initContainers") or []) + spec["containers"]:
        at = f"{name}/{container['name']}"
        own = container.get("securityContext") or {}
        effective = {**pod, **own}
        if effective.get("runAsNonRoot") is not True:
            problem(f"{at}: runAsNonRoot is not true")
        if not isinstance(effective.get("runAsUser"), int) or effective["runAsUser"] == 0:
            problem(f"{at}: runAsUser is not a number above 0")
        if effective.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            problem(f"{at}: seccompProfile")
        if own.get("allowPrivilegeEscalation") is not False:
            problem(f"{at}: allowPrivilegeEscalation is not false")
        if own.get("privileged"):
            problem(f"{at}: privileged")
        capabilities = own.get("capabilities") or {}
        if "ALL" not in capabilities.get("drop", []) or set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
            problem(f"{at}: capabilities")
        if any(port.get("hostPort") for port in container.get("ports") or []):
            problem(f"{at}: hostPort")
        # Not asked for by the profile, but by us.
        if own.get("readOnlyRootFilesystem") is not True:
            problem(f"{at}: readOnlyRootFilesystem is not true")
        if (container.get("lifecycle") or {}).get("preStop"):
            problem(f"{at}: a preStop hook; the relay drains when it is told to end")


def templates(objects):
    """All pods: name, labels, spec."""
    for obj in objects:
        name = f"{obj['kind']}/{obj['metadata']['name']}"
        if obj["kind"] == "Pod":
            yield name, obj["metadata"].get("labels", {}), obj["spec"]
        elif "template" in obj.get("spec", {}):
            template = obj["spec"]["template"]
            yield name, template["metadata"]["labels"], template["spec"]


def references(objects, pods):
    names = {(obj["kind"], obj["metadata"]["name"]) for obj in objects}
    if len(names) != len(objects):
        problem("two objects have one name")
    for name, _, spec in pods:
        volumes = {volume["name"] for volume in spec.get("volumes") or []}
        containers = (spec.get("initContainers") or []) + spec["containers"]
        mounted = {mount["name"] for c in containers for mount in c.get("volumeMounts") or []}
        if mounted - volumes:
            problem(f"{name}: mounts volumes that are not there: {sorted(mounted - volumes)}")
        if volumes - mounted:
            problem(f"{name}: volumes that nothing mounts: {sorted(volumes - mounted)}")
        if "serviceAccountName" in spec and spec["serviceAccountName"] != "default":
            if ("ServiceAccount", spec["serviceAccountName"]) not in names:
                problem(f"{name}: no service account {spec['serviceAccountName']}")
    for obj in objects:
        name = f"{obj['kind']}/{obj['metadata']['name']}"
        spec = obj.get("spec", {})
        if obj["kind"] == "Service" and pods:
            selected = [pod for pod in pods if spec["selector"].items() <= pod[1].items()]
            if len(selected) != 1:
                problem(f"{name}: selects {len(selected)} kinds of pods")
            for _, _, pod in selected:
                # Of an init container's ports, Kubernetes before 1.32 knows the numbers alone.
                ports = {p["containerPort"] for c in (pod.get("initContainers") or []) + pod["containers"] for p in c.get("ports") or []}
                ports |= {p.get("name") for c in pod["containers"] for p in c.get("ports") or []}
                for port in spec["ports"]:
                    if port["targetPort"] not in ports:
                        problem(f"{name}: no container has a port {port['targetPort']}")
        if obj["kind"] in ("NetworkPolicy", "PodDisruptionBudget"):
            selector = (spec.get("podSelector") or spec.get("selector"))["matchLabels"]
            if sum(selector.items() <= pod[1].items() for pod in pods) != 1:
                problem(f"{name}: does not select the relay's pod alone")
        if obj["kind"] == "ServiceMonitor":
            wanted = spec["selector"]["matchLabels"].items()
            services = [o for o in objects if o["kind"] == "Service" and wanted <= o["metadata"]["labels"].items()]
            if len(services) != 1 or services[0]["spec"]["ports"][0]["name"] != spec["endpoints"][0]["port"]:
                problem(f"{name}: selects no service with that port")
        if obj["kind"] == "Ingress":
            for rule in spec["rules"]:
                for path in rule["http"]["paths"]:
                    backend(objects, name, path["backend"]["service"]["name"], path["backend"]["service"]["port"]["name"])
        for rule in spec.get("rules", []) if obj["kind"].endswith("Route") else []:
            for ref in rule["backendRefs"]:
                backend(objects, name, ref["name"], ref["port"])


def kept(objects):
    """No volume that the chart makes goes with an uninstall; all else does."""
    for obj in objects:
        name = f"{obj['kind']}/{obj['metadata']['name']}"
        if obj["kind"] == "PersistentVolumeClaim":
            if obj["metadata"].get("annotations", {}).get("helm.sh/resource-policy") != "keep":
                problem(f"{name}: would be removed by helm uninstall")
        elif "volumeClaimTemplates" in obj.get("spec", {}):
            problem(f"{name}: makes claims that helm uninstall does not name")
        annotations = obj["metadata"].get("annotations") or {}
        if "helm.sh/hook" in annotations and "hook-succeeded" not in annotations["helm.sh/hook-delete-policy"].split(","):
            problem(f"{name}: stays after helm uninstall, as a hook that nothing removes")


def backend(objects, name, service, port):
    found = [o for o in objects if o["kind"] == "Service" and o["metadata"]["name"] == service]
    if not found or not any(port in (p["name"], p["port"]) for p in found[0]["spec"]["ports"]):
        problem(f"{name}: leads to {service}:{port}, which is not there")


def configuration(objects, pods, folder):
    """The file, and that each file which it names comes with the pod's volumes."""
    text = next(o["data"]["relay.toml"] for o in objects if o["kind"] == "ConfigMap" and "relay.toml" in o["data"])
    config = tomllib.loads(text)
    written = text
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "relay.toml").write_text(text)
    for obj in objects:
        if obj["kind"] == "ConfigMap" and "identities.toml" in obj["data"]:
            tomllib.loads(obj["data"]["identities.toml"])
            (folder / "identities.toml").write_text(obj["data"]["identities.toml"])
            written += obj["data"]["identities.toml"]
    volumes = [v for _, _, spec in pods for v in spec.get("volumes") or [] if v["name"] == "smile-relay-config"]
    if not pods:
        return
    there = set()
    for source in (source for volume in volumes for source in volume["projected"]["sources"]):
        # A token has its one path itself, the others a list of them.
        items = [source["serviceAccountToken"]] if "serviceAccountToken" in source else next(iter(source.values()))["items"]
        there |= {f"/etc/smile-relay/{item['path']}" for item in items}
    if not (folder / "identities.toml").exists():
        # An identities file that is not the chart's may name these.
        there -= {"/etc/smile-relay/cluster/ca.crt", "/etc/smile-relay/cluster/token"}
    named = set(re.findall(r"/etc/smile-relay/[^\"]+", written)) | {"/etc/smile-relay/relay.toml"}
    if named != there:
        problem(f"the configuration names {sorted(named - there)} that are not mounted; unused: {sorted(there - named)}")
    if not config["data-dir"].startswith("/var/lib/smile-relay/"):
        problem("the log is not on the volume")


def replaced(objects):
    """A pod that never becomes ready is replaced by an upgrade, and not waited for."""
    for obj in objects:
        if obj["kind"] == "StatefulSet" and obj["spec"].get("podManagementPolicy") != "Parallel":
            problem(f"StatefulSet/{obj['metadata']['name']}: waits for its pods to be ready before it replaces them")


def probes(pods, folder):
    """The start of a relay asks for no room on its volume. Writes the relay's own commands among the probes, a line each."""
    commands = []
    for name, _, spec in pods:
        for relay in [c for c in (spec.get("initContainers") or []) + spec["containers"] if c["name"] == "smile-relay"]:
            for probe, path, flag in (
                ("startupProbe", "/startupz", ["--started"]),
                ("livenessProbe", "/livez", ["--live"]),
                ("readinessProbe", "/readyz", []),
            ):
                asks = relay.get(probe, {})
                command = find(asks, "exec.command")
                if command:
                    commands.append(" ".join(command[1:]))
                is_asked = command and command[:3] == ["smile-relay", "healthcheck", "--admin"] and command[4:] == flag
                if not (is_asked or find(asks, "httpGet.path") == path or (probe == "readinessProbe" and "grpc" in asks)):
                    problem(f"{name}: the {probe} is {asks}")
    (folder / "probes").write_text("".join(f"{command}\n" for command in commands))


def sidecar(pods, folder):
    """Of the example: a native sidecar before the services, which call it where it listens without TLS."""
    relays = [c for _, _, spec in pods for c in spec.get("initContainers") or [] if c["name"] == "smile-relay"]
    if len(relays) != 1 or relays[0].get("restartPolicy") != "Always":
        problem("no native sidecar")
        return
    config = tomllib.loads((folder / "relay.toml").read_text())
    listens = [address.replace("0.0.0.0", "127.0.0.1") for address in config["grpc-listen"]]
    plaintext = [address for address in listens if address.startswith("unix:") or "grpc-tls-cert" not in config]
    for name, _, spec in pods:
        for container in spec["containers"]:
            called = [each["value"] for each in container["env"] if each["name"] == "SMILE_RELAY_ADDRESS"]
            if len(called) != 1 or called[0] not in plaintext:
                problem(f"{name}/{container['name']}: calls {called}, and the relay has {plaintext} in plaintext")


def main():
    name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    objects = [obj for obj in yaml.safe_load_all(sys.stdin) if obj]
    pods = list(templates(objects))
    for obj in objects:
        schema(obj, f"{obj['kind']}/{obj['metadata']['name']}")
    for pod in pods:
        restricted(pod[2], pod[0])
    references(objects, pods)
    kept(objects)
    replaced(objects)
    configuration(objects, pods, folder)
    probes(pods, folder)
    if name.startswith("service"):
        sidecar(pods, folder)
    for line in problems:
        print(f"FAILED: {name}: {line}", file=sys.stderr)
    print(f"{name}: {len(objects)} objects, {len(pods)} pods")
    sys.exit(1 if problems else 0)


main()
