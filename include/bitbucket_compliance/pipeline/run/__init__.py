"""Who may write a workspace now, under which policy, and which events the run answers."""

# Seconds: a run that gave no sign of life for so long is taken for dead. Here, because DAG files need it, and importing
# it must cost them nothing.
SILENCE = 60.0
