"""Webhooks as Smile sends them, signed: samples, numbered small events, large ones, and a steady load of them."""

import hashlib
import hmac
import http.client
import json
import pathlib
import ssl
import subprocess
import threading
import time

from .relay import BINARY, ROOT, SECRET, clean_environment
from .waiting import PATIENCE, Failure, expect

SAMPLES = ROOT / "samples"
# So many digits of a second's fraction: protobuf's JSON knows 0, 3, 6 and 9 of them, and so has every client to.
FRACTIONS = ("", ".250", ".000001", ".123456789")


def types():
    """The names of all types, in the order of the alphabet."""
    return sorted(path.stem for path in pathlib.Path(SAMPLES).glob("*.json"))


def trigger(relay, type_name, *more):
    """Sends a sample by `smile-relay trigger`, and waits for its answer."""
    done = subprocess.run(
        [
            BINARY, "trigger", type_name, "--secret-file", relay.secret_file, "--insecure",
            "--url", f"https://{relay.public}/webhooks/smile", *more,
        ],
        capture_output=True, text=True, env=clean_environment(),
    )  # fmt: skip
    expect(done.returncode == 0, f"trigger {type_name}: {done.stdout}{done.stderr}")


def small(number, prefix="et"):
    """A small event with this number in it. Its time's precision and its user's name vary, also beyond ASCII."""
    user = ("u-1", "tenantId-848a77e544ff4e37b4c1d18df5ff59b9", "u-Parañaque-山")[number % 3]
    event = {
        "id": f"{prefix}-{number}",
        "version": 1,
        "type": ("ACCOUNT_CONNECTED", "TASK_STARTED")[number % 2],
        "createdAt": f"2026-11-16T01:20:{number % 60:02}{FRACTIONS[number % 4]}Z",
        "data": {"userId": user, "accountId": f"a-{number}", "providers": ["alon_ph"]},
    }
    return json.dumps(event).encode()


def padded(number, size):
    """An ACCOUNT_CONNECTED that takes so many bytes and some more, and costs little to decode."""
    data = {"userId": "u-1", "accountId": f"a-{number}", "loginName": "x" * size}
    event = {"id": f"et-{number}", "type": "ACCOUNT_CONNECTED", "createdAt": "2026-11-16T01:20:24Z", "data": data}
    return json.dumps(event).encode()


def task_finished(event_id, items):
    """A TASK_FINISHED of this id: the sample, byte for byte, with so many transactions more, of some 170 bytes each."""
    sample = (SAMPLES / "TASK_FINISHED.json").read_text()
    was = json.loads(sample)["id"]
    at = sample.index('"items": [', sample.index('"transactions": {')) + len('"items": [')
    more = "".join(
        f'{{"id":"t-{number:032}","date":"2026-11-14","description":"Weekend market stall {number:06}",'
        f'"currency":"PHP","amount":{number}.0500,"referenceId":"TX{number:08}"}},'
        for number in range(items)
    )
    return (sample[:at] + more + sample[at:]).replace(was, event_id, 1).encode()


class Sender:
    """Posts signed bodies over one connection, and sends again what was not answered, as Smile does."""

    def __init__(self, relay):
        self._address = relay.public
        self._connection = None

    def send(self, body):
        """Returns when the relay has stored the body."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                status = self._post(body)
            except (OSError, http.client.HTTPException) as error:
                status = repr(error)
                self.close()
            if status == 200:
                return
            if time.monotonic() > deadline:
                raise Failure(f"a webhook was not accepted for {PATIENCE:g} s: {status}")
            time.sleep(0.02)

    def _post(self, body):
        if self._connection is None:
            # The relay's certificate is made at its start, by itself.
            anything = ssl._create_unverified_context()
            self._connection = http.client.HTTPSConnection(self._address, timeout=PATIENCE, context=anything)
        signature = hmac.new(SECRET.encode(), body, hashlib.sha512).hexdigest()
        self._connection.request("POST", "/webhooks/smile", body, {"Smile-Signature": signature})
        response = self._connection.getresponse()
        response.read()
        return response.status

    def close(self):
        if self._connection:
            self._connection.close()
            self._connection = None


def send(relay, bodies):
    """Sends these bodies one after the other."""
    sender = Sender(relay)
    for body in bodies:
        sender.send(body)
    sender.close()


class Load:
    """Numbered small events at a steady rate, until told to stop; also while the relay is away and comes back."""

    def __init__(self, relay, a_second, prefix="load"):
        self._sender = Sender(relay)
        self._interval = 1 / a_second
        self._prefix = prefix
        self._stopping = threading.Event()
        self._failure = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        number = 0
        try:
            # Paces, and does not synchronise: the rate is what is wanted here.
            while not self._stopping.wait(self._interval):
                number += 1
                self._sender.send(small(number, self._prefix))
        except Failure as failure:
            self._failure = failure
        finally:
            self._sender.close()

    def stop(self):
        """Returns when everything is stored that was begun."""
        self._stopping.set()
        self._thread.join()
        if self._failure:
            raise self._failure

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
