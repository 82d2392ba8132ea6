-- memory|cpu: addresses until there is no room.
function init() return {} end
function update(pkt, state)
  local t = {}
  for i = 0, 1e9 do t[i] = addr(`10.{i // 65536 % 256}.{i // 256 % 256}.{i % 256}`) end
end
function export(state) return { n = 1 } end
