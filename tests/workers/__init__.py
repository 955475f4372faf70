"""docker-compose.yaml without containers: its commands and environment as processes of this machine."""
