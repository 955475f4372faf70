"""Who may write a workspace now, under which policy, and which events the run answers."""
