"""What a laptop needs and a server does not: an embedded Postgres, the sandbox, and `make`'s commands.

Nothing in the pipeline imports this package; a real installation brings its own Postgres and Airflow.
"""
