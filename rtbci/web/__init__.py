"""What all pages are served with: a server in a thread, and who may talk to it."""
