"use strict";
// The page is whole without this: values under the pointer, lines that can be hidden, tables that can be sorted.
(function () {
  var LEFT = 78 / 960, RIGHT = 24 / 960;
  document.querySelectorAll(".drawing[data-values]").forEach(function (drawing) {
    var values = JSON.parse(drawing.dataset.values), svg = drawing.querySelector("svg");
    var cursor = document.createElement("div"), tip = document.createElement("div");
    cursor.className = "cursor"; tip.className = "tip";
    cursor.hidden = tip.hidden = true;
    drawing.append(cursor, tip);
    drawing.addEventListener("pointermove", function (event) {
      var box = svg.getBoundingClientRect(), frame = drawing.getBoundingClientRect();
      var room = box.width * (1 - LEFT - RIGHT), x = event.clientX - box.left - box.width * LEFT;
      if (x < 0 || x > room || !values.at.length) { cursor.hidden = tip.hidden = true; return; }
      var n = Math.min(values.at.length - 1, Math.floor(x / room * values.at.length));
      tip.textContent = "";
      var head = document.createElement("strong");
      head.textContent = values.at[n];
      tip.append(head);
      values.lines.forEach(function (line) {
        var row = document.createElement("div");
        row.textContent = line[0] + " " + line[1][n];
        tip.append(row);
      });
      cursor.hidden = tip.hidden = false;
      var left = event.clientX - frame.left + drawing.scrollLeft;
      cursor.style.left = left + "px";
      cursor.style.height = box.height + "px";
      tip.style.top = "8px";
      tip.style.left = (left + tip.offsetWidth + 24 > drawing.scrollLeft + frame.width ? left - tip.offsetWidth - 12 : left + 12) + "px";
    });
    drawing.addEventListener("pointerleave", function () { cursor.hidden = tip.hidden = true; });
  });
  document.querySelectorAll("table.sortable").forEach(function (table) {
    var body = table.tBodies[0];
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (head, column) {
      var down = false;
      function sort() {
        down = !down;
        var rows = Array.prototype.slice.call(body.rows);
        var key = function (row) {
          var cell = row.cells[column], given = cell.dataset.sort;
          return given === undefined ? cell.textContent : Number(given);
        };
        rows.sort(function (a, b) {
          var x = key(a), y = key(b);
          var order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true });
          return down ? order : -order;
        });
        rows.forEach(function (row) { body.append(row); });
        Array.prototype.forEach.call(table.tHead.rows[0].cells, function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", down ? "ascending" : "descending");
      }
      head.tabIndex = 0;
      head.addEventListener("click", sort);
      head.addEventListener("keydown", function (event) { if (event.key === "Enter") sort(); });
    });
  });
})();
