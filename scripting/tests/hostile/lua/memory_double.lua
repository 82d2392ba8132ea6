-- memory: a text doubled for ever.
function init() return {} end
function update(pkt, state)
  local s = "x"
  while true do s = s .. s end
end
function export(state) return { n = 1 } end
