"""A small stand-in for Bitbucket Cloud: test equipment, never part of the pipeline.

The sandbox answers the endpoints that the hook may call, the way the official API document and recorded
responses say Bitbucket does: scopes, page limits, opaque ``next`` links, partial responses, the filter
language, token exchange and the odd error bodies. All of them read, but for those of webhooks; what happens
in a workspace is done by actions, and delivered to its webhooks. It listens on 127.0.0.1 only.

As a process::

    python -m sandbox --port 0 --workload demo --ready-file /tmp/sandbox.url

Inside a test::

    from sandbox import actions
    from sandbox.process import SandboxServer

    with SandboxServer() as sandbox:
        requests.get(sandbox.url + "/2.0/user", headers={"Authorization": "Bearer demo-token"})
        sandbox.state.add_fault("pull_requests", slug="billing-api", kind="status", status=500, remaining=2)
        assert sandbox.state.count("user") == 1
        actions.merge(sandbox.state, "billing-api", 12)
        sandbox.state.deliveries.drain()

Rooms:

========================  ==================================================================
``model``                 what Bitbucket holds: plain dataclasses, no behaviour
``state``                 what a running sandbox knows: consumers, tokens, request log, faults
``filters``, ``partial``  the ``q`` filter language, the ``fields`` parameter
``merge_checks``          what the rules ask of an open pull request
``render``, ``paging``    model to JSON, lists to pages
``call``                  one request to the API, and what may answer it
``endpoints``, ``hooks``  the table of endpoints, a handler under each row; those of webhooks
``payloads``              the bodies of events
``webhooks``              signing and delivering them, with Bitbucket's retries
``actions``               what people do: changes of the state and the events they bring
``errors``, ``oauth``     error bodies, token exchange
``server``, ``process``   the FastAPI application, and how it is started
``control``               the control API for other processes, under ``/_sandbox``
``demo``, ``reference``   the two workspaces it can hold
========================  ==================================================================

Credentials of the demo: consumers ``demo-key``/``demo-secret`` (five scopes) and
``demo-admin-key``/``demo-admin-secret`` (those and ``repository:admin``); workspace access tokens
``demo-token`` and ``demo-admin-token`` with the same two grants. None of them opens anything real.
"""
