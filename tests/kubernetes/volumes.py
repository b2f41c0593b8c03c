"""Claims that are given back: a volume that its cluster does not delete with its claim is emptied, and free again."""

from .waiting import eventually

from .manifests import pod
from .images import SERVICES

EMPTY = """
import pathlib, shutil
for path in pathlib.Path("/volume").iterdir():
    shutil.rmtree(path) if path.is_dir() else path.unlink()
"""


def give_back(namespace):
    """Removes all claims of a namespace in which no pod runs any more."""
    cluster = namespace.cluster
    for claim in (namespace.get("pvc") or {"items": []})["items"]:
        name, volume = claim["metadata"]["name"], claim["spec"].get("volumeName")
        kept = volume and cluster.get("pv", volume)["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
        if kept:
            _empty(namespace, name)
        namespace.kubectl("delete", "pvc", name)
        if kept:
            eventually(f"volume {volume} is released", lambda: cluster.get("pv", volume)["status"]["phase"] == "Released")
            cluster.kubectl("patch", "pv", volume, "--type=json", "-p", '[{"op": "remove", "path": "/spec/claimRef"}]')


def _empty(namespace, claim):
    namespace.apply(
        pod(
            f"empty-{claim}"[:60],
            {"name": "empty", "image": SERVICES["python"], "command": ["python3", "-c", EMPTY],
             "volumeMounts": [{"name": "volume", "mountPath": "/volume"}]},
            volumes=[{"name": "volume", "persistentVolumeClaim": {"claimName": claim}}],
        )
    )  # fmt: skip
    namespace.await_phase(f"empty-{claim}"[:60], "Succeeded")
    namespace.kubectl("delete", "pod", f"empty-{claim}"[:60], "--wait")
