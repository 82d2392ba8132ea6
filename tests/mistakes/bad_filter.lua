-- Web traffic.
filter = "tcp and (port 80 or prot 443)"
value = { packets = count() }
