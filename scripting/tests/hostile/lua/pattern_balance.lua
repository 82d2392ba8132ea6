-- any: a pattern of brackets that never close.
function init() return {} end
function update(pkt, state)
  return ("("):rep(2 ^ 18):find("%b()")
end
function export(state) return { n = 1 } end
