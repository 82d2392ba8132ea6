-- any: the names of the driver.
function init() return {} end
function update(pkt, state)
  __como_f64 = nil
end
function export(state) return { n = 1 } end
