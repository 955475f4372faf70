"""Who may write a workspace now, under which policy, and which events the run answers."""

# Here, because DAG files need it, and importing it must cost them nothing.
# Seconds: a run that no scheduler stands behind, as `make run` makes it, has one task start after the other; one that
# gave no sign of life for so long is taken for dead.
SILENCE = 60.0
# Seconds that tasks of other runs may wait in Airflow's queue between two signs of life, where Airflow can't be asked.
QUEUED = 900.0
# Seconds after which a silent run is taken for dead, whatever Airflow says of it.
LOST = 12 * 3600.0
