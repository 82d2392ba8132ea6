-- error: a random number of an empty range.
function init() return {} end
function update(pkt, state)
  return math.random(2, 1)
end
function export(state) return { n = 1 } end
