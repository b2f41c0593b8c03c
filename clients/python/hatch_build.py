"""Makes the messages (smilerelay.v1) from the protos when a wheel or an editable install is built.

In the repository the protos are in ../../proto. A source distribution carries them in proto/.
"""

import shutil
import sys
from importlib import resources
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class MessagesBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """The one hook of this package; hatchling finds it by its base class."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Puts the protos into a source distribution, and what is generated from them beside the sources otherwise."""
        protos = self._protos()
        if self.target_name == "sdist":
            build_data["force_include"][str(protos)] = "proto"
        else:
            generate(protos, Path(self.root, "src"))

    def _protos(self) -> Path:
        for candidate in (Path(self.root, "proto"), Path(self.root, "..", "..", "proto")):
            if (candidate / "smilerelay").is_dir():
                return candidate.resolve()
        raise FileNotFoundError("the protos are neither in proto/ nor in ../../proto")


def generate(protos: Path, out: Path) -> None:
    """Writes *_pb2.py, *_pb2_grpc.py and their .pyi for every proto file."""
    from grpc_tools import protoc

    files = sorted(str(file.relative_to(protos)) for file in protos.glob("smilerelay/**/*.proto"))
    with resources.as_file(resources.files("grpc_tools") / "_proto") as well_known:
        status = protoc.main(
            [
                "protoc",
                f"--proto_path={protos}",
                f"--proto_path={well_known}",
                *(f"--plugin=protoc-gen-{name}={_plugin(name)}" for name in ("mypy", "mypy_grpc")),
                *(f"--{output}_out={out}" for output in ("python", "grpc_python")),
                *(f"--{output}_out=quiet:{out}" for output in ("mypy", "mypy_grpc")),
                *files,
            ]
        )
    if status != 0:
        raise RuntimeError(f"protoc failed with status {status}")


def _plugin(name: str) -> str:
    """Finds the plugin of the environment that builds, also when that one is not on the PATH."""
    executable = shutil.which(f"protoc-gen-{name}", path=str(Path(sys.executable).parent)) or shutil.which(
        f"protoc-gen-{name}"
    )
    if executable is None:
        raise FileNotFoundError(f"protoc-gen-{name} is missing: pip install mypy-protobuf")
    return executable
