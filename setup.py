"""What pyproject.toml cannot say: every build begins empty.

setuptools builds into build/lib and ships all that lies there, also what another version left: after an update, or on
the way back from one, a module or a migration that this version does not have would be installed.
"""

import shutil

from setuptools import setup
from setuptools.command.build_py import build_py


class FromNothing(build_py):
    """Modules and data of this version alone."""

    def run(self) -> None:
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


setup(cmdclass={"build_py": FromNothing})
