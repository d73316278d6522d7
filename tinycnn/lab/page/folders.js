// Run folders: the network that the page works with is written as one, and any of them is loaded.

import { ask } from "./wire.js";
import { t } from "./strings.js";

const byId = (id) => document.getElementById(id);

/** Wire the part of the panel that is about run folders. `renew`: the page works with another network. */
export function setUpFolders(renew) {
  byId("export").onclick = () =>
    said(async () => {
      const { folder } = await ask("export", { name: byId("export-name").value });
      await listRuns();
      return t("exported", { folder });
    });
  byId("load").onclick = () =>
    said(async () => {
      await ask("load", { folder: byId("runs").value });
      await renew();
      return t("loaded", { folder: byId("runs").value });
    });
}

/** Ask which run folders there are. */
export async function listRuns() {
  const { runs } = await ask("runs");
  byId("runs").replaceChildren(...runs.map((name) => new Option(name, name)));
  byId("load").disabled = !runs.length;
}

async function said(action) {
  try {
    byId("folder-says").textContent = await action();
  } catch (error) {
    byId("folder-says").textContent = error.message;
  }
}
