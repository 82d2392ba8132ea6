-- Bytes by host and port.
key = {
  host = "ip.scr",
  port = "dport or 1",
}
value = { bytes = sum("len") }
