"""Extract: what of a workspace is read, in which order, and what is spared. One function for each task.

``preflight`` learns what the grant allows, ``list_workspace`` reads the workspace's listings, ``plan_reading`` chooses
the repositories that are due and splits them into chunks, ``read_chunk`` reads one chunk with as many parallel
requests as the connection allows. Each may raise ``WaitForRequests`` when the hour's requests are used up; called again
it goes on where it stopped.
"""

from bitbucket_compliance.pipeline.extract.plan.plan import plan_reading, planned_requests
from bitbucket_compliance.pipeline.extract.preflight import preflight
from bitbucket_compliance.pipeline.extract.repositories.reader import read_chunk
from bitbucket_compliance.pipeline.extract.workspace import list_workspace

__all__ = ["list_workspace", "plan_reading", "planned_requests", "preflight", "read_chunk"]
