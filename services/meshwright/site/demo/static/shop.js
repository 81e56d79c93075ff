// The shop works without this file; with it, the cart answers at once and the showroom has dialogs.
"use strict";

const find = (selector, within = document) => within.querySelector(selector);

function addToCartInPlace(form) {
  const status = find("[data-cart-status]", form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    status.textContent = "Adding…";
    try {
      const answer = await fetch(form.action, {
        method: "POST",
        headers: { Accept: "application/json" },
        body: new URLSearchParams(new FormData(form)),
      });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const { product, added, in_cart: inCart, count } = await answer.json();
      find("[data-cart-count]").textContent = count;
      status.textContent = added > 0
        ? `Added ${added} × ${product}. There ${inCart === 1 ? "is" : "are"} ${inCart} in your cart.`
        : `Your cart already holds as many as we can send (${inCart}).`;
    } catch {
      status.textContent = "That did not work. Please try again.";
    }
  });
}

function keepTotals(table) {
  const { currency, deliveryFee, freeFrom } = table.dataset;
  const write = (cents) => currency + (cents / 100).toLocaleString("en-US", { minimumFractionDigits: 2 });
  const cents = (amount) => Math.round(Number(amount) * 100);

  function recount() {
    let subtotal = 0;
    for (const line of table.querySelectorAll("[data-line]")) {
      const total = cents(line.dataset.price) * find("input[name=quantity]:not([type=hidden])", line).valueAsNumber;
      if (!Number.isFinite(total)) return;
      find("[data-line-total]", line).textContent = write(total);
      subtotal += total;
    }
    const delivery = subtotal >= cents(freeFrom) ? 0 : cents(deliveryFee);
    find("[data-subtotal]").textContent = write(subtotal);
    find("[data-delivery]").textContent = delivery ? write(delivery) : "Free";
    find("[data-total]").textContent = write(subtotal + delivery);
  }

  for (const form of table.querySelectorAll("[data-update]")) {
    form.addEventListener("input", recount);
    form.addEventListener("change", () => form.reportValidity() && form.requestSubmit());
  }
  // Somebody may have typed before this script was there, or come back to a page that remembers.
  recount();
}

function openVisitDialog(button) {
  const dialog = document.getElementById(button.dataset.openDialog);
  const form = find("form", dialog);
  button.addEventListener("click", () => dialog.showModal());
  dialog.addEventListener("close", () => {
    if (dialog.returnValue !== "book") return;
    const { name, day } = Object.fromEntries(new FormData(form));
    find("[data-visit-status]").textContent = `See you on ${day}, ${name}.`;
    form.reset();
  });
}

function askForVoucher(button) {
  button.addEventListener("click", () => {
    const code = window.prompt("Voucher code");
    if (code === null) return;
    const known = code.trim().toUpperCase() === "HEARTH10";
    find("[data-voucher-status]").textContent = known
      ? "Voucher accepted: 10% off your next order."
      : "We do not know this voucher.";
  });
}

function confirmSwatches(button) {
  button.addEventListener("click", () => {
    const sure = window.confirm("Send five swatches to your address?");
    find("[data-swatches-status]").textContent = sure ? "Five swatches are on their way." : "Nothing was sent.";
    if (sure) window.alert("Thank you! The swatches leave today.");
  });
}

function openInWindow(link) {
  link.addEventListener("click", (event) => {
    if (window.open(link.href, "size-guide", "popup,width=720,height=640")) event.preventDefault();
  });
}

const parts = {
  "[data-add-to-cart]": addToCartInPlace,
  "[data-cart]": keepTotals,
  "[data-open-dialog]": openVisitDialog,
  "[data-voucher]": askForVoucher,
  "[data-swatches]": confirmSwatches,
  "[data-popup]": openInWindow,
};
for (const [selector, start] of Object.entries(parts)) document.querySelectorAll(selector).forEach(start);
