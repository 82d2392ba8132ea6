-- Classes from an argument.
args = { classes = 'web=80' }
local class = {}
for name, ports in args.classes:gmatch('(%S+)=(%S+)') do
  for port in ports:gmatch('%d+') do class[tonumber(port)] = name end
end
function update(pkt, state)
  local name = pkt.dport and class[pkt.dport] or 'other'
  state[name] = (state[name] or 0) + pkt.bytes
end
function export(state)
  return { web = state.web or 0, dns = state.dns or 0, other = state.other or 0 }
end
