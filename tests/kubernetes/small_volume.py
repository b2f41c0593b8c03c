"""A volume that can be filled up: a file system of its own on the node, in a file."""

MAKE = """
mkdir -p {place} && truncate -s {mebibytes}M {place}.img
mkfs.ext4 -q -m 0 {place}.img
mount -o loop {place}.img {place}
rm -r {place}/lost+found && chmod 0777 {place}
"""
REMOVE = "mountpoint -q {place} && umount {place}; rm -rf {place} {place}.img"


class SmallVolume:
    """A volume of so many MiB in all, and a claim that has it."""

    def __init__(self, stage, node, namespace, name, mebibytes):
        self._node = node
        self._place = f"/var/tmp/{namespace.name}-{name}"
        self.claim = name
        stage.at_end(self._remove)
        self._run(MAKE.format(place=self._place, mebibytes=mebibytes))
        self._cluster, self._volume = namespace.cluster, f"{namespace.name}-{name}"
        size, modes = {"storage": f"{mebibytes}Mi"}, ["ReadWriteOnce"]
        self._cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": self._volume},
                "spec": {
                    "capacity": size,
                    "accessModes": modes,
                    "persistentVolumeReclaimPolicy": "Delete",
                    "storageClassName": "smile-relay-test",
                    "hostPath": {"path": self._place},
                },
            }
        )
        namespace.apply(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": name},
                "spec": {
                    "accessModes": modes,
                    "storageClassName": "smile-relay-test",
                    "volumeName": self._volume,
                    "resources": {"requests": size},
                },
            }
        )

    def fill(self):
        """Until nothing more fits. A relay that meets this gives up the reserve that it has there, to stay able to clean up."""
        self._node.shell(f"cat /dev/zero > {self._place}/filler; sync -f {self._place}")

    def free(self):
        self._run(f"rm {self._place}/filler")

    def _remove(self):
        self._run(REMOVE.format(place=self._place))
        self._cluster.kubectl("delete", "pv", self._volume, "--ignore-not-found", "--wait=false")

    def _run(self, script):
        return self._node.shell(f"set -e\n{script}")
