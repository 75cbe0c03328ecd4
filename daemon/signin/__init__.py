"""Signing in with tokens: Microsoft 365 by msal, Google by its own client or a service account."""
