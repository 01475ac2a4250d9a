/* SPDX-License-Identifier: MIT */
/*
 * How the page looks. Colours are named once for light and once for dark; paper is
 * always light. Colour is never the only sign.
 */
#include "cli/report/report.h"

#define LIGHT                                                                        \
	"--paper:#fff;--ground:#f5f6f8;--ink:#1b2026;--soft:#5c6672;--line:#d9dee4;" \
	"--good:#17704a;--good-ground:#e3f4ea;--warn:#8a5a00;--warn-ground:#fcf1d8;" \
	"--bad:#b3261e;--bad-ground:#fbe6e4;--a:#2463b4;--b:#c2571a;--c:#3c8a3f;"    \
	"--none:#c4ccd4;"
#define DARK                                                                            \
	"--paper:#1a1f25;--ground:#12161a;--ink:#e4e8ec;--soft:#9aa5b1;--line:#323a43;" \
	"--good:#63cf98;--good-ground:#14301f;--warn:#e9b84f;--warn-ground:#352a10;"    \
	"--bad:#ff8a80;--bad-ground:#3d1a18;--a:#6ea8ef;--b:#f0995c;--c:#7ccb7f;"       \
	"--none:#4a545f;"

const char page_style[] =
	":root{color-scheme:light dark;" LIGHT "}"
	"@media (prefers-color-scheme:dark){:root{" DARK "}}"
	"*{box-sizing:border-box}"
	"body{margin:0;background:var(--ground);color:var(--ink);"
	"font:15px/1.5 system-ui,'DejaVu Sans',sans-serif}"
	"main{max-width:1340px;margin:0 auto;padding:24px 20px 60px}"
	"h1{font-size:24px;margin:0 0 2px}h2{font-size:18px;margin:36px 0 10px}"
	"h3{font-size:14px;margin:0 0 8px;font-weight:600;overflow-wrap:anywhere}"
	"p{margin:0 0 8px}.soft{color:var(--soft)}"
	".verdict{display:flex;align-items:baseline;gap:12px;padding:14px 18px;margin:18px 0;"
	"border-radius:8px;border-left:6px solid;font-size:18px;font-weight:600}"
	".kept{background:var(--good-ground);border-color:var(--good);color:var(--good)}"
	".incomplete{background:var(--warn-ground);border-color:var(--warn);color:var(--warn)}"
	".died,.lost{background:var(--bad-ground);border-color:var(--bad);color:var(--bad)}"
	".nothing{background:var(--paper);border-color:var(--none)}"
	".cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(240px,1fr));gap:12px}"
	".card,.scroll,figure{background:var(--paper);border:1px solid var(--line);"
	"border-radius:8px}.card{padding:12px 16px}.card h3{text-transform:capitalize;"
	"color:var(--soft);margin-bottom:2px}.card p{margin:0}.card.alarm h3{color:var(--bad)}"
	".card.alarm{border-left:4px solid var(--bad)}"
	".scroll{overflow-x:auto}.scroll+p{margin-top:8px}"
	"table{border-collapse:collapse;width:100%;font-size:13.5px}"
	"th,td{padding:6px 10px;text-align:left;vertical-align:top;white-space:nowrap;"
	"border-bottom:1px solid var(--line)}tr:last-child td{border-bottom:0}"
	"th{color:var(--soft);font-weight:600;background:var(--ground);vertical-align:bottom}"
	"th.n{text-align:right}td.n{text-align:right;font-variant-numeric:tabular-nums}td.n:first-child{width:6em}"
	"td.path,td.notes,ol.stack{white-space:normal}td.path{overflow-wrap:anywhere;min-width:180px}"
	"td.notes{min-width:110px}"
	"td.bad{color:var(--bad);font-weight:600}"
	"ol.stack{margin:0;padding:0;list-style:none;"
	"font:12.5px/1.45 ui-monospace,'DejaVu Sans Mono',monospace;min-width:300px}"
	"ol.stack li{overflow-wrap:anywhere;padding-left:2em;text-indent:-2em}"
	"figure{margin:0 0 14px;padding:14px 24px}figure>svg{margin:18px 0 48px}.p0>svg{margin-top:0}"
	"figure.p1,figure.p2{padding-left:76px}figcaption{color:var(--soft);font-size:13px}"
	"svg{display:block;width:100%;overflow:visible}svg line{stroke:var(--line)}"
	"svg text{font:12px system-ui,'DejaVu Sans',sans-serif;fill:var(--soft)}"
	"svg path{fill:none;stroke:currentColor;stroke-width:2;stroke-linecap:round;"
	"vector-effect:non-scaling-stroke}.p0 path{stroke-width:6;stroke-linecap:butt}"
	"svg line.k3{stroke:currentColor;stroke-dasharray:6 4}.p0 text{fill:var(--ink)}"
	"foreignObject div,figure h3,.legend li{overflow:hidden;text-overflow:ellipsis;white-space:nowrap;"
	"font-size:13px;max-width:100%}.legend{display:flex;flex-wrap:wrap;gap:4px 18px;margin:0;"
	"padding:0;list-style:none}.legend b{display:inline-block;width:11px;height:11px;"
	"border-radius:2px;margin-right:6px;background:currentColor}"
	".k0{color:var(--a)}.k1{color:var(--c)}.k2{color:var(--b)}.k3{color:var(--bad)}"
	"footer{margin-top:40px;color:var(--soft);font-size:13px}"
	"@media (max-width:700px){ol.stack{max-height:9em;overflow-y:auto}}"
	"@media print{:root{color-scheme:light;" LIGHT "--ground:#fff}"
	"body{font-size:10.5pt}main{max-width:none;padding:0}h2{margin-top:18pt;break-after:avoid}"
	".card,.verdict,figure,tr{break-inside:avoid}.scroll{overflow:visible}"
	"@page{size:A4 landscape;margin:12mm}"
	"table{font-size:8pt}th,td{padding:3pt 4pt}td.path{min-width:90pt}"
	"ol.stack{min-width:0;font-size:7.5pt}thead{display:table-header-group}"
	"*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}";
