"""How the Chatbot Platform is deployed: from a branch to an environment, from a commit to a version, and to a release.

Everything that proves and moves is in :mod:`verdigris`; what is here is this platform's own and meant to be copied.
"""
