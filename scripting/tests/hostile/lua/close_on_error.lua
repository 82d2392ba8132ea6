-- cpu: a loop in what runs when an error passes.
function init() return {} end
function update(pkt, state)
  local ok = pcall(function() error("x") end)
  while not ok or ok do end
end
function export(state) return { n = 1 } end
