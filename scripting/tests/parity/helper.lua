-- A helper that is handed the packet.
local LARGE = 100
local function class(p)
  if p.tcp then return p.len > LARGE and 'long tcp' or 'tcp' end
  return p.udp and 'udp' or 'other'
end
function update(pkt, state)
  local name = class(pkt)
  state[name] = (state[name] or 0) + 1
end
function export(state)
  local rows = {}
  for _, class in { 'long tcp', 'other', 'tcp', 'udp' } do
    table.insert(rows, { class = class, packets = state[class] })
  end
  return rows
end
