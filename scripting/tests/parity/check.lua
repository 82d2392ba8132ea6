-- Every second packet that is big enough, by address.
args  = { ["use-src"] = false, least = 90 }
key   = { addr = args["use-src"] and "ip.src" or "ip.dst" }
value = { packets = count(), largest = max("len") }

function init(args)
  return { odd = false, least = args.least }
end

function check(pkt, state)
  if pkt.len < state.least then return false end
  state.odd = not state.odd
  return state.odd
end
