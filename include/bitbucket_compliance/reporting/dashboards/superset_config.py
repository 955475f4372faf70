"""Superset's settings, found through SUPERSET_CONFIG_PATH. What differs by place comes from the environment.

`SUPERSET_SECRET_KEY` (Superset reads it itself, and refuses to start without it) signs sessions and encrypts
the password of the results' database; `SUPERSET_METADATA_URI` is where logins and charts are kept.
"""

from __future__ import annotations

import os

SQLALCHEMY_DATABASE_URI = os.environ["SUPERSET_METADATA_URI"]

# Cookies don't tell ports apart: another web page on this host must not overwrite the session.
SESSION_COOKIE_NAME = "superset_session"
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = os.environ.get("SUPERSET_BEHIND_TLS", "") == "1"
ENABLE_PROXY_FIX = SESSION_COOKIE_SECURE

# The page names a tracking picture, fonts and maps elsewhere. The browser is told to load nothing from
# outside, so that nobody learns who looks at it, and so that it works without internet.
TALISMAN_ENABLED = True
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'"],
        "script-src": ["'self'", "'strict-dynamic'"],
        "frame-ancestors": ["'self'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,
    "session_cookie_secure": SESSION_COOKIE_SECURE,
}
THEME_FONT_URL_ALLOWED_DOMAINS: list[str] = []

FEATURE_FLAGS = {
    # A dozen charts: all are there when somebody prints the page or scrolls fast.
    "DASHBOARD_VIRTUALIZATION": False,
}

# Sign-in is limited to five tries a second; one process serves, so its memory can count them.
RATELIMIT_ENABLED = True
RATELIMIT_STORAGE_URI = "memory://"

SUPERSET_WEBSERVER_TIMEOUT = 60
ROW_LIMIT = 10_000
LOG_LEVEL = "WARNING"
