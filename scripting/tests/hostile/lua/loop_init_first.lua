-- refused: an endless loop in the first init.
function init() while true do end end
function update() end
function export() end
