-- refused: an endless loop at the top level.
while true do end
