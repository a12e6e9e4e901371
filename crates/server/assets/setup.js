// The secret of the setup link is in its fragment, which goes to no server: from there into the form, and out of the address.
const field = document.getElementById("token-field"), input = document.getElementById("token");
const key = "portward-setup";
const take = () => {
  let token = location.hash.slice(1);
  if (token) history.replaceState(null, "", location.pathname + location.search);
  // A form that was refused comes back without the fragment.
  try { token ||= sessionStorage.getItem(key) ?? ""; } catch { /* private window */ }
  if (!field || !token.startsWith("st_")) return;
  input.value = token;
  field.hidden = true;
  try { sessionStorage.setItem(key, token); } catch { /* same */ }
};
take();
// The link that is opened where this page is already loads nothing anew.
addEventListener("hashchange", take);
// What was wrong may be the token itself: then it is shown.
if (document.getElementById("refused")) field.hidden = false;
