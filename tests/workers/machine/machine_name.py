"""What Airflow calls the machine that a process runs on: a container has a name of its own, these processes have one."""

import os


def machine_name() -> str:
    """The name that the process was given."""
    return os.environ["HOSTNAME"]
