"""Inside a notebook session: what is mounted, which device is there, and the record and bundle that it leaves."""
