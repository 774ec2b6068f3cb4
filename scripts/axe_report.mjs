// Judges reports by axe-core in a Chromium: light, dark, and as narrow as 1280 pixels at 400 %.
//   npm install --no-save axe-core puppeteer-core
//   CHROMIUM=/usr/bin/chromium node scripts/axe_report.mjs report.html…
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const here = createRequire(resolve("package.json"));
const { launch } = (await import(pathToFileURL(here.resolve("puppeteer-core")))).default;
const axe = readFileSync(here.resolve("axe-core/axe.min.js"), "utf8");
const browser = await launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
});
let bad = 0;
for (const file of process.argv.slice(2)) {
  for (const [scheme, width] of [["light", 1280], ["dark", 1280], ["light", 320]]) {
    const page = await browser.newPage();
    await page.setBypassCSP(true); // the report lets no script run, axe's neither
    await page.setViewport({ width, height: 900 });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await page.goto(pathToFileURL(resolve(file)).href);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document));
    console.log(`${file} ${scheme} ${width}: ${violations.length} violations, ${wide} pixels wide`);
    for (const each of violations) console.log(`  ${each.id}: ${each.nodes.length}, ${each.help}`);
    bad += violations.length + (wide > width ? 1 : 0);
    await page.close();
  }
}
await browser.close();
process.exitCode = bad ? 1 : 0;
