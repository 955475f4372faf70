"""What Airflow calls the machine that a process runs on, where a container would have a name of its own."""

import os


def machine_name() -> str:
    """The name that the process was given."""
    return os.environ["HOSTNAME"]
