"use strict";
// The page is whole without this: values under the pointer, a closer look at a stretch of time, lines that can be hidden,
// tables that can be sorted.
(function () {
  // The charts of time share their axis: its first and last pixel, of the drawing's own.
  var WIDTH = 960, FIRST = 78, LAST = 936, ROOM = LAST - FIRST;
  var COLOURS = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#785EF0"], GREY = "#888888";
  var seen = [0, 1]; // the part of the run that is looked at
  var charts = [];

  function all(what, within) { return Array.prototype.slice.call((within || document).querySelectorAll(what)); }

  function clock(seconds, whole) {
    var r = Math.round(seconds), h = Math.floor(r / 3600), m = Math.floor(r / 60) % 60, s = r % 60;
    var two = function (n) { return (n < 10 ? "0" : "") + n; };
    if (whole < 10) return Math.round(seconds * 100) / 100 + " s";
    if (whole < 180) return Math.round(seconds * 10) / 10 + " s";
    if (whole < 7200) return Math.floor(r / 60) + ":" + two(s);
    return h + ":" + two(m) + (s ? ":" + two(s) : " h");
  }

  function group(svg, elements, before) {
    if (!elements.length) return null;
    var of = document.createElementNS("http://www.w3.org/2000/svg", "g");
    svg.insertBefore(of, before);
    elements.forEach(function (element) { of.append(element); });
    return of;
  }

  all(".drawing[data-values]").forEach(function (drawing, nth) {
    var svg = drawing.querySelector("svg"), values = JSON.parse(drawing.dataset.values);
    if (!svg || !values.at.length) return;
    var moving = "polyline[stroke-width='2'],polygon,rect,path", named = all("text[text-anchor='start']", svg);
    var backs = all("rect,path", svg), fronts = all("polyline[stroke-width='2'],polygon", svg);
    var clip = document.createElementNS("http://www.w3.org/2000/svg", "clipPath");
    clip.id = "clip-" + nth;
    var box = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    [["x", FIRST], ["y", 0], ["width", ROOM], ["height", svg.viewBox.baseVal.height]].forEach(function (a) { box.setAttribute(a[0], a[1]); });
    clip.append(box);
    // Shades stay behind the grid, lines before it.
    var groups = [group(svg, backs, backs[0]), group(svg, fronts, null)].filter(Boolean);
    groups.forEach(function (of) { of.setAttribute("clip-path", "url" + "(#" + clip.id + ")"); });
    named.forEach(function (name) { svg.append(name); });
    svg.append(clip);
    var cursor = document.createElement("div"), tip = document.createElement("div"), choice = document.createElement("div");
    cursor.className = "cursor"; tip.className = "tip"; choice.className = "choice";
    cursor.hidden = tip.hidden = choice.hidden = true;
    drawing.append(cursor, tip, choice);
    var chart = {
      figure: drawing.closest("figure"), drawing: drawing, svg: svg, values: values, hidden: {},
      moving: all(moving, svg).filter(function (e) { return e !== box; }),
      ticks: all("text[text-anchor='middle']", svg).map(function (t) { return { text: t, x: Number(t.getAttribute("x")), was: t.textContent }; }),
      names: named.map(function (t) { return { text: t, x: Number(t.getAttribute("x")) }; })
    };
    charts.push(chart);
    var from = null;
    // Where the pointer is, as a share of what is seen; nothing outside.
    function place(event) {
      var frame = svg.getBoundingClientRect();
      var at = (event.clientX - frame.left) / frame.width * WIDTH;
      return at < FIRST || at > LAST ? null : (at - FIRST) / ROOM;
    }
    function left(share) {
      var frame = svg.getBoundingClientRect(), outer = drawing.getBoundingClientRect();
      return frame.left - outer.left + drawing.scrollLeft + (FIRST + share * ROOM) / WIDTH * frame.width;
    }
    function none() { cursor.hidden = tip.hidden = true; }
    drawing.addEventListener("pointermove", function (event) {
      var share = place(event);
      if (share === null) { none(); return; }
      var whole = seen[0] + share * (seen[1] - seen[0]);
      var n = Math.min(values.at.length - 1, Math.floor(whole * values.at.length));
      tip.textContent = "";
      var head = document.createElement("strong");
      head.textContent = values.at[n];
      tip.append(head);
      values.lines.forEach(function (line, nth) {
        if (chart.hidden[nth]) return;
        var row = document.createElement("div");
        row.textContent = line[0] + " " + line[1][n];
        tip.append(row);
      });
      cursor.hidden = tip.hidden = false;
      var at = left(share);
      cursor.style.left = at + "px";
      cursor.style.height = svg.getBoundingClientRect().height + "px";
      tip.style.top = "8px";
      tip.style.left = (at + tip.offsetWidth + 24 > drawing.scrollLeft + drawing.clientWidth ? at - tip.offsetWidth - 12 : at + 12) + "px";
      if (from !== null) {
        choice.hidden = false;
        choice.style.left = left(Math.min(from, share)) + "px";
        choice.style.width = left(Math.max(from, share)) - left(Math.min(from, share)) + "px";
        choice.style.height = cursor.style.height;
      }
    });
    drawing.addEventListener("pointerleave", none);
    drawing.addEventListener("pointerdown", function (event) {
      if (event.pointerType === "mouse" && event.button === 0) { from = place(event); event.preventDefault(); }
    });
    window.addEventListener("pointerup", function (event) {
      if (from === null) return;
      var to = place(event), began = from;
      from = null;
      choice.hidden = true;
      if (to === null) to = event.clientX < svg.getBoundingClientRect().left + svg.getBoundingClientRect().width / 2 ? 0 : 1;
      if (Math.abs(to - began) > 0.02) look(Math.min(began, to), Math.max(began, to));
    });
    drawing.addEventListener("dblclick", whole);
  });

  // Looks closer at a part of what is seen.
  function look(a, b) {
    var length = seen[1] - seen[0], least = 0.005;
    var from = seen[0] + a * length, to = seen[0] + b * length;
    if (to - from < least) { var middle = (from + to) / 2; from = Math.max(0, middle - least / 2); to = Math.min(1, from + least); }
    seen = [from, to];
    charts.forEach(show);
    back.hidden = false;
  }

  function whole() { seen = [0, 1]; charts.forEach(show); back.hidden = true; }

  function show(chart) {
    var k = 1 / (seen[1] - seen[0]), shift = FIRST - (FIRST + seen[0] * ROOM) * k;
    var moved = function (x) { return x * k + shift; };
    chart.moving.forEach(function (element) {
      element.setAttribute("vector-effect", "non-scaling-stroke");
      if (k === 1) element.removeAttribute("transform"); else element.setAttribute("transform", "matrix(" + k + " 0 0 1 " + shift + " 0)");
    });
    chart.ticks.forEach(function (tick) {
      var share = seen[0] + (tick.x - FIRST) / ROOM * (seen[1] - seen[0]);
      tick.text.textContent = k === 1 ? tick.was : clock(share * chart.values.length, chart.values.length * (seen[1] - seen[0]) < 10 ? 9 : chart.values.length);
    });
    chart.names.forEach(function (name) {
      var x = moved(name.x);
      name.text.setAttribute("x", x);
      name.text.style.display = x < FIRST || x > LAST - 20 ? "none" : "";
    });
  }

  var back = document.createElement("button");
  back.type = "button"; back.className = "back"; back.hidden = true;
  back.textContent = "Show the whole run";
  back.addEventListener("click", whole);
  document.body.append(back);
  document.addEventListener("keydown", function (event) { if (event.key === "Escape") whole(); });
  var course = document.querySelector("#course h2");
  if (course && charts.length) {
    var hint = document.createElement("p");
    hint.className = "hint";
    hint.textContent = "Draw over a chart to look closer at that time, in all of them; click a name to hide its line.";
    course.after(hint);
  }

  // A name hides its line.
  charts.forEach(function (chart) {
    all(".key[data-line]", chart.figure).forEach(function (key) {
      var nth = Number(key.dataset.line), swatch = key.querySelector(".swatch");
      var colour = GREY;
      COLOURS.forEach(function (code, n) { if (swatch.classList.contains("c" + n)) colour = code; });
      key.setAttribute("role", "button");
      key.setAttribute("aria-pressed", "true");
      key.tabIndex = 0;
      function turn() {
        var off = chart.hidden[nth] = !chart.hidden[nth];
        key.classList.toggle("off", off);
        key.setAttribute("aria-pressed", String(!off));
        chart.moving.forEach(function (element) {
          if (element.tagName !== "rect" && (element.getAttribute("stroke") === colour || element.getAttribute("fill") === colour)) element.style.display = off ? "none" : "";
        });
      }
      key.addEventListener("click", turn);
      key.addEventListener("keydown", function (event) { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); turn(); } });
    });
  });

  all("table.sortable").forEach(function (table) {
    var body = table.tBodies[0];
    all("th", table.tHead).forEach(function (head, column, heads) {
      var down = false;
      if (!head.textContent.trim()) return;
      function sort() {
        down = !down;
        var key = function (row) {
          var cell = row.cells[column], given = cell.dataset.sort;
          return given === undefined ? cell.textContent : Number(given);
        };
        var rows = Array.prototype.slice.call(body.rows).sort(function (a, b) {
          var x = key(a), y = key(b);
          var order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true });
          return down ? order : -order;
        });
        rows.forEach(function (row) { body.append(row); });
        heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", down ? "ascending" : "descending");
      }
      head.tabIndex = 0;
      head.addEventListener("click", sort);
      head.addEventListener("keydown", function (event) { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(); } });
    });
  });
})();
