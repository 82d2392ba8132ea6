-- Every second packet that is big enough, by address.
args  = { ["use-src"] = false, least = 90 }
key   = { addr = args["use-src"] and "ip.src" or "ip.dst" }
value = { packets = count(), largest = max("len") }

function check(pkt, state)
  if pkt.len < args.least then return false end
  state.odd = not state.odd
  return state.odd
end
