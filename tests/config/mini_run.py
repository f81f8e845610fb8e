"""A supervisor with two small services, run as a process of its own by test_supervisor.py.

Each service has a child in a session of its own that ignores polite signals; every process writes its id into the
folder given as the first argument, and each service its name into `ended` when it is told to stop.
"""

import sys
from pathlib import Path

from config.local import supervisor

STUBBORN = """
import os, pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(sig, signal.SIG_IGN)
os.setsid()
(folder / f"child-{os.getpid()}").touch()
time.sleep(600)
"""
SERVICE = """
import os, pathlib, signal, subprocess, sys, time
folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]
def stop(*_):
    with (folder / "ended").open("a") as file:
        file.write(name + "\\n")
    sys.exit()
signal.signal(signal.SIGTERM, stop)
subprocess.Popen([sys.executable, "-c", sys.argv[3], str(folder)])
(folder / f"{name}-{os.getpid()}").touch()
print("up", flush=True)
while True:
    time.sleep(600)
"""


def main() -> int:
    folder = Path(sys.argv[1])
    keeper = supervisor.Supervisor()
    keeper.listen()
    for tier, name in enumerate(("first", "second")):
        argv = [sys.executable, "-c", SERVICE, str(folder), name, STUBBORN]
        keeper.bring_up(
            supervisor.Service(
                name,
                supervisor.command(argv, {}),
                lambda name=name: any(folder.glob(f"{name}-*")),
                tier=tier,
                patience_s=2,
            )
        )
    (folder / "ready").touch()
    keeper.keep_up()
    keeper.stop_all()
    return 0


if __name__ == "__main__":
    sys.exit(supervisor.guarded(main, with_parent=True, keeps_terminal=False, on_end=lambda: None))
