"""What leaves the decoder: messages, the sockets they go out by, and the control socket."""
