"""Plug-ins: files or modules that register experiments and methods of one's own, named by ``LNL_PLUGINS``, with commas between.

The processes of a sweep inherit the variable, so a run finds there what the command line found.
"""

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from lnl_core._files import user_path, variable
from lnl_core.errors import ConfigError, LNLError

_done: dict[str, str] = {}
"""What was imported, with the sentence that says why it could not be; "" where it could."""


def load_plugins() -> None:
    """Import what ``LNL_PLUGINS`` names, each once in a process; a plug-in that failed says so again at every call.

    A name that ends in ``.py`` or holds a slash is a file, any other one a module.

    Raises:
        ConfigError: a file that is not there, or a plug-in that cannot be imported, with the reason.
    """
    for name in (part.strip() for part in (variable("LNL_PLUGINS") or "").split(",")):
        if not name:
            continue
        is_file = name.endswith(".py") or "/" in name or "\\" in name
        key = str(user_path(name).absolute()) if is_file else name
        if key not in _done:
            _done[key] = ""  # a plug-in asks for what is registered while it is imported
            _done[key] = _trouble(name, Path(key) if is_file else None)
        if _done[key]:
            raise ConfigError(_done[key])


def _trouble(name: str, file: Path | None) -> str:
    """Import one plug-in; returns what is wrong with it in a sentence, or nothing."""
    if file is not None and not file.is_file():
        return f"LNL_PLUGINS names {name}, which is no file: correct the path"
    try:
        if file is None:
            import_module(name)
        else:
            _import_file(file)
    except LNLError as error:
        return f"the plug-in {name} of LNL_PLUGINS is refused: {error}"
    except (Exception, SystemExit) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return f"the plug-in {name} of LNL_PLUGINS cannot be imported ({reason}): mend it, or take it out of the variable"
    return ""


def _import_file(file: Path) -> None:
    title = f"lnl_plugin_{file.stem}"
    spec = spec_from_file_location(title, file)
    if spec is None or spec.loader is None:
        raise ImportError("its name must end in .py")
    module = module_from_spec(spec)
    sys.modules[title] = module  # pickles and dataclasses look their module up
    spec.loader.exec_module(module)
