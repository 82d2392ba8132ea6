-- Packets of kinds that filters tell apart, by interval.
filter = "ip or ip6"

local web = filter("tcp port 80 or tcp port 443")
local small = filter "less 100"

function init()
  return { kinds = { web = web, dns = filter("udp port 53") }, web = 0, dns = 0, small = 0, bytes = 0 }
end

function update(pkt, state)
  for name, kind in state.kinds do
    if kind(pkt) then state[name] += pkt.packets end
  end
  if web(pkt) and not small:match(pkt) then state.bytes += pkt.bytes end
  if small(pkt) then state.small += 1 end
end

function export(state)
  return { web = state.web, dns = state.dns, small = state.small, bytes = state.bytes }
end
