-- error: string.rep to a terabyte.
function init() return {} end
function update(pkt, state)
  return ("x"):rep(2 ^ 40)
end
function export(state) return { n = 1 } end
