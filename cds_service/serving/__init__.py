"""The server process: its socket, its cores, and what stands before the application."""
