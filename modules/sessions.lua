-- Flows from their first packet until they fall silent, by five-tuple.
--
-- A flow lives across intervals in the long-term table, and becomes a record once
-- no packet of it has come for `timeout`, or when the monitor ends. To end flows
-- otherwise write `action(row, now)`: it returns "store", "keep" or "discard".
args = {
  timeout = "60s", -- how long a flow may be silent
  interval = "5s",
}

key = { src = "ip.src", dst = "ip.dst", proto = "ip.proto", sport = "sport", dport = "dport" }
value = { packets = count(), bytes = sum("len"), first = first("ts"), last = last("ts") }
long = { timeout = args.timeout }
