// Runs before the first paint: the device's own light or dark where the visitor chose neither.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const wish = root.dataset.theme;
    root.dataset.bsTheme = wish === "auto" ? (dark.matches ? "dark" : "light") : wish;
  };
  root.classList.add("with-script");
  apply();
  dark.addEventListener("change", apply);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  if (!document.cookie.includes(`holdfast_zone=${encodeURIComponent(zone)}`)) {
    document.cookie = `holdfast_zone=${encodeURIComponent(zone)}; path=/; max-age=31536000; SameSite=Lax`;
  }
})();
