"""The first hour: from an empty machine to a service in shadow.

presets | what DNS and the domain itself say of its mail server | the sign-in, tried | the settings file and the secret,
written at the very end, each whole or not at all | unit, user, wrapper, man page, completion: put there and taken away
"""
