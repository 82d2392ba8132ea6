-- memory: functions until there is no room.
function init() return {} end
function update(pkt, state)
  local t = {}
  while true do t[#t + 1] = function() return t end end
end
function export(state) return { n = 1 } end
