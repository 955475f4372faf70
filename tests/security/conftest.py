"""What attacks on the receiver of webhooks need: see ``tests/webhooks/conftest.py``."""

from tests.webhooks.conftest import deliver, receiver, receiver_login, registry, webhook_key

__all__ = ["deliver", "receiver", "receiver_login", "registry", "webhook_key"]
