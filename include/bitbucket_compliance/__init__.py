"""The compliance pipeline: what Bitbucket Cloud says of a workspace, judged by security tests and published."""
