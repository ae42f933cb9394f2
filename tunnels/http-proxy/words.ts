/**
 * The proxy's pages in several languages: what happened, and what to do.
 *
 * @module
 */

/** Languages there are; the first is for everybody else. */
export const LANGUAGES = ["en", "de", "fr", "es", "ru", "zh", "pt"] as const

/** One of {@linkcode LANGUAGES}. */
export type Language = (typeof LANGUAGES)[number]

/** Title, what happened, what to do. */
type Words = readonly [title: string, what: string, todo: string]

/** What a page is about. */
export type Topic =
  | "refused"
  | "unclear"
  | "unknown"
  | "away"
  | "silent"
  | "broken"
  | "router"
  | "full"
  | "password"
  | "confirm"
  | "conflict"
  | "other"

/** What stands on buttons and before links. */
export type Label = "once" | "save" | "known" | "offered" | "jump"

/** Every topic in every language. */
export const TOPICS: Readonly<Record<Topic, Readonly<Record<Language, Words>>>> = {
  refused: {
    en: [
      "Not in I2P",
      "This address leads out of I2P, or to this machine or network.",
      "The proxy opens names that end in .i2p. Use another way for everything else.",
    ],
    de: [
      "Nicht in I2P",
      "Diese Adresse führt aus I2P hinaus oder zu diesem Rechner oder Netz.",
      "Der Proxy öffnet Namen, die auf .i2p enden. Für alles andere einen anderen Weg nehmen.",
    ],
    fr: [
      "Hors d’I2P",
      "Cette adresse mène hors d’I2P, ou vers cette machine ou ce réseau.",
      "Le proxy ouvre les noms qui finissent par .i2p. Pour le reste, prenez un autre chemin.",
    ],
    es: [
      "Fuera de I2P",
      "Esta dirección lleva fuera de I2P, o a esta máquina o red.",
      "El proxy abre nombres que terminan en .i2p. Para lo demás, use otro camino.",
    ],
    ru: [
      "Не в I2P",
      "Этот адрес ведёт за пределы I2P или в эту машину или сеть.",
      "Прокси открывает имена, которые кончаются на .i2p. Для остального нужен другой путь.",
    ],
    zh: [
      "不在 I2P 内",
      "此地址指向 I2P 之外，或指向本机或本地网络。",
      "本代理只打开以 .i2p 结尾的名称。其他地址请用别的方式。",
    ],
    pt: [
      "Fora da I2P",
      "Este endereço leva para fora da I2P, ou a esta máquina ou rede.",
      "O proxy abre nomes que terminam em .i2p. Para o resto, use outro caminho.",
    ],
  },
  unclear: {
    en: [
      "Not understood",
      "The program asked in a way the proxy does not understand.",
      "Check the address, and that the program uses this as an HTTP proxy.",
    ],
    de: [
      "Nicht verstanden",
      "Das Programm hat so gefragt, dass der Proxy es nicht versteht.",
      "Die Adresse prüfen, und ob das Programm dies als HTTP-Proxy benutzt.",
    ],
    fr: [
      "Pas compris",
      "Le programme a demandé d’une façon que le proxy ne comprend pas.",
      "Vérifiez l’adresse, et que le programme s’en sert comme proxy HTTP.",
    ],
    es: [
      "No se entiende",
      "El programa preguntó de un modo que el proxy no entiende.",
      "Revise la dirección, y que el programa lo use como proxy HTTP.",
    ],
    ru: [
      "Непонятно",
      "Программа спросила так, что прокси не понял.",
      "Проверьте адрес и то, что программа использует это как HTTP-прокси.",
    ],
    zh: [
      "无法理解",
      "程序的请求方式代理无法理解。",
      "请检查地址，并确认程序把这里当作 HTTP 代理使用。",
    ],
    pt: [
      "Não entendido",
      "O programa perguntou de um modo que o proxy não entende.",
      "Verifique o endereço, e se o programa usa isto como proxy HTTP.",
    ],
  },
  unknown: {
    en: [
      "Name not known",
      "Nobody here knows this name.",
      "Check the spelling, ask one of the services below, or open the site by its .b32.i2p address.",
    ],
    de: [
      "Name nicht bekannt",
      "Niemand hier kennt diesen Namen.",
      "Die Schreibweise prüfen, einen der Dienste unten fragen oder die Seite mit ihrer .b32.i2p-Adresse öffnen.",
    ],
    fr: [
      "Nom inconnu",
      "Personne ici ne connaît ce nom.",
      "Vérifiez l’orthographe, demandez à l’un des services ci-dessous, ou ouvrez le site par son adresse .b32.i2p.",
    ],
    es: [
      "Nombre desconocido",
      "Nadie aquí conoce este nombre.",
      "Revise la ortografía, pregunte a uno de los servicios de abajo, o abra el sitio por su dirección .b32.i2p.",
    ],
    ru: [
      "Имя неизвестно",
      "Здесь никто не знает этого имени.",
      "Проверьте написание, спросите одну из служб ниже или откройте сайт по адресу .b32.i2p.",
    ],
    zh: [
      "未知名称",
      "这里没有谁认识这个名称。",
      "请检查拼写，向下面的服务查询，或用 .b32.i2p 地址打开网站。",
    ],
    pt: [
      "Nome desconhecido",
      "Ninguém aqui conhece este nome.",
      "Verifique a grafia, pergunte a um dos serviços abaixo, ou abra o site pelo endereço .b32.i2p.",
    ],
  },
  away: {
    en: [
      "Site not reached",
      "The site was not found in the network in time.",
      "It may be away, or just starting: try again in a few minutes.",
    ],
    de: [
      "Seite nicht erreicht",
      "Die Seite wurde im Netz nicht rechtzeitig gefunden.",
      "Sie ist vielleicht gerade weg oder startet erst: in ein paar Minuten noch einmal versuchen.",
    ],
    fr: [
      "Site injoignable",
      "Le site n’a pas été trouvé à temps dans le réseau.",
      "Il est peut-être absent, ou vient de démarrer : réessayez dans quelques minutes.",
    ],
    es: [
      "Sitio no alcanzado",
      "El sitio no se encontró a tiempo en la red.",
      "Quizá esté ausente o empezando: inténtelo de nuevo en unos minutos.",
    ],
    ru: [
      "Сайт недоступен",
      "Сайт не нашёлся в сети вовремя.",
      "Возможно, его нет или он только запускается: попробуйте через несколько минут.",
    ],
    zh: ["无法连接网站", "未能及时在网络中找到该网站。", "它可能离线或刚刚启动：请几分钟后再试。"],
    pt: [
      "Site não alcançado",
      "O site não foi encontrado na rede a tempo.",
      "Pode estar fora ou a começar: tente de novo em alguns minutos.",
    ],
  },
  silent: {
    en: [
      "No answer",
      "The site took the request and did not answer in time.",
      "It is slow or away: try again later.",
    ],
    de: [
      "Keine Antwort",
      "Die Seite hat die Anfrage angenommen und nicht rechtzeitig geantwortet.",
      "Sie ist langsam oder weg: später noch einmal versuchen.",
    ],
    fr: [
      "Pas de réponse",
      "Le site a pris la demande et n’a pas répondu à temps.",
      "Il est lent ou absent : réessayez plus tard.",
    ],
    es: [
      "Sin respuesta",
      "El sitio aceptó la petición y no respondió a tiempo.",
      "Está lento o ausente: inténtelo más tarde.",
    ],
    ru: [
      "Нет ответа",
      "Сайт принял запрос и не ответил вовремя.",
      "Он медленный или его нет: попробуйте позже.",
    ],
    zh: ["没有应答", "网站收到了请求，但没有及时应答。", "它很慢或已离线：请稍后再试。"],
    pt: [
      "Sem resposta",
      "O site recebeu o pedido e não respondeu a tempo.",
      "Está lento ou fora: tente mais tarde.",
    ],
  },
  broken: {
    en: [
      "Broken answer",
      "What the site sent is no valid answer, or it broke off.",
      "Try again; if it stays so, tell the site’s owner.",
    ],
    de: [
      "Kaputte Antwort",
      "Was die Seite geschickt hat, ist keine gültige Antwort, oder sie brach ab.",
      "Noch einmal versuchen; bleibt es so, dem Betreiber der Seite sagen.",
    ],
    fr: [
      "Réponse abîmée",
      "Ce que le site a envoyé n’est pas une réponse valable, ou s’est interrompu.",
      "Réessayez ; si cela dure, dites-le au propriétaire du site.",
    ],
    es: [
      "Respuesta dañada",
      "Lo que envió el sitio no es una respuesta válida, o se cortó.",
      "Inténtelo de nuevo; si sigue así, avise al dueño del sitio.",
    ],
    ru: [
      "Испорченный ответ",
      "Сайт прислал неверный ответ или ответ оборвался.",
      "Попробуйте ещё раз; если не проходит, скажите владельцу сайта.",
    ],
    zh: [
      "应答已损坏",
      "网站发来的应答无效，或中途断开。",
      "请重试；若一直如此，请告知网站的主人。",
    ],
    pt: [
      "Resposta danificada",
      "O que o site enviou não é uma resposta válida, ou interrompeu-se.",
      "Tente de novo; se continuar, avise o dono do site.",
    ],
  },
  router: {
    en: [
      "I2P router away",
      "Your I2P router does not answer, or is still building tunnels.",
      "Start it and switch SAM on in it, or wait a minute; allium doctor looks closer.",
    ],
    de: [
      "I2P-Router ist weg",
      "Ihr I2P-Router antwortet nicht oder baut noch Tunnel.",
      "Ihn starten und SAM darin einschalten, oder eine Minute warten; allium doctor schaut genauer nach.",
    ],
    fr: [
      "Routeur I2P absent",
      "Votre routeur I2P ne répond pas, ou construit encore des tunnels.",
      "Démarrez-le et activez SAM, ou attendez une minute ; allium doctor regarde de plus près.",
    ],
    es: [
      "Router I2P ausente",
      "Su router I2P no responde, o aún construye túneles.",
      "Arránquelo y active SAM, o espere un minuto; allium doctor mira más de cerca.",
    ],
    ru: [
      "Роутер I2P не отвечает",
      "Ваш роутер I2P не отвечает или ещё строит туннели.",
      "Запустите его и включите SAM или подождите минуту; allium doctor посмотрит подробнее.",
    ],
    zh: [
      "I2P 路由器不在",
      "您的 I2P 路由器没有应答，或仍在建立隧道。",
      "请启动它并打开 SAM，或等一分钟；allium doctor 可以细看。",
    ],
    pt: [
      "Router I2P ausente",
      "O seu router I2P não responde, ou ainda constrói túneis.",
      "Inicie-o e ligue o SAM, ou espere um minuto; allium doctor vê mais de perto.",
    ],
  },
  full: {
    en: [
      "Too much at once",
      "The proxy has as much open as it may.",
      "Wait a little, close some pages, then try again.",
    ],
    de: [
      "Zu viel auf einmal",
      "Der Proxy hat so viel offen, wie er darf.",
      "Etwas warten, einige Seiten schließen, dann noch einmal versuchen.",
    ],
    fr: [
      "Trop à la fois",
      "Le proxy a ouvert tout ce qui lui est permis.",
      "Attendez un peu, fermez quelques pages, puis réessayez.",
    ],
    es: [
      "Demasiado a la vez",
      "El proxy tiene abierto todo lo que se le permite.",
      "Espere un poco, cierre algunas páginas e inténtelo de nuevo.",
    ],
    ru: [
      "Слишком много сразу",
      "Прокси уже открыл столько, сколько ему можно.",
      "Подождите, закройте несколько страниц и попробуйте снова.",
    ],
    zh: ["一次太多", "代理已打开到允许的上限。", "请稍等，关闭一些页面后再试。"],
    pt: [
      "Demais de uma vez",
      "O proxy tem aberto tudo o que lhe é permitido.",
      "Espere um pouco, feche algumas páginas e tente de novo.",
    ],
  },
  password: {
    en: [
      "Password needed",
      "This proxy wants a user name and password.",
      "Give them to the browser or program.",
    ],
    de: [
      "Passwort nötig",
      "Dieser Proxy will Benutzername und Passwort.",
      "Beides dem Browser oder Programm geben.",
    ],
    fr: [
      "Mot de passe requis",
      "Ce proxy demande un nom d’utilisateur et un mot de passe.",
      "Donnez-les au navigateur ou au programme.",
    ],
    es: [
      "Se pide contraseña",
      "Este proxy pide usuario y contraseña.",
      "Déselos al navegador o programa.",
    ],
    ru: [
      "Нужен пароль",
      "Этот прокси требует имя пользователя и пароль.",
      "Сообщите их браузеру или программе.",
    ],
    zh: ["需要密码", "此代理需要用户名和密码。", "请在浏览器或程序中填写。"],
    pt: [
      "É preciso senha",
      "Este proxy pede nome de utilizador e senha.",
      "Indique-os ao navegador ou programa.",
    ],
  },
  confirm: {
    en: [
      "A new name",
      "A link says where this name leads. Nobody has checked that.",
      "If you trust the page the link was on, use it once, or save it.",
    ],
    de: [
      "Ein neuer Name",
      "Ein Link sagt, wohin dieser Name führt. Niemand hat das geprüft.",
      "Wenn Sie der Seite mit dem Link trauen: einmal benutzen oder speichern.",
    ],
    fr: [
      "Un nouveau nom",
      "Un lien dit où mène ce nom. Personne ne l’a vérifié.",
      "Si vous faites confiance à la page du lien, utilisez-le une fois ou gardez-le.",
    ],
    es: [
      "Un nombre nuevo",
      "Un enlace dice adónde lleva este nombre. Nadie lo ha comprobado.",
      "Si confía en la página del enlace, úselo una vez o guárdelo.",
    ],
    ru: [
      "Новое имя",
      "Ссылка говорит, куда ведёт это имя. Никто этого не проверял.",
      "Если вы доверяете странице со ссылкой, используйте один раз или сохраните.",
    ],
    zh: [
      "新名称",
      "一个链接声称此名称指向哪里。没有谁核实过。",
      "如果您信任该链接所在的页面，可使用一次，或保存。",
    ],
    pt: [
      "Um nome novo",
      "Um link diz aonde este nome leva. Ninguém o verificou.",
      "Se confia na página do link, use-o uma vez ou guarde-o.",
    ],
  },
  conflict: {
    en: [
      "Two addresses for one name",
      "A link says that this name leads elsewhere than what you know.",
      "Keep the one you know, unless you learned from a trusted source that it moved.",
    ],
    de: [
      "Zwei Adressen für einen Namen",
      "Ein Link sagt, dieser Name führe woandershin, als Sie es kennen.",
      "Bei der bekannten bleiben, außer eine vertrauenswürdige Quelle nennt den Umzug.",
    ],
    fr: [
      "Deux adresses pour un nom",
      "Un lien dit que ce nom mène ailleurs que ce que vous connaissez.",
      "Gardez celle que vous connaissez, sauf si une source sûre annonce le changement.",
    ],
    es: [
      "Dos direcciones para un nombre",
      "Un enlace dice que este nombre lleva a otro lugar que el que conoce.",
      "Quédese con la conocida, salvo que una fuente fiable diga que cambió.",
    ],
    ru: [
      "Два адреса у одного имени",
      "Ссылка говорит, что это имя ведёт не туда, куда вы знаете.",
      "Оставьте известный, если надёжный источник не сказал, что адрес сменился.",
    ],
    zh: [
      "一个名称，两个地址",
      "一个链接声称此名称指向与您所知不同的地方。",
      "除非可信来源说它已迁移，请保留您所知的地址。",
    ],
    pt: [
      "Dois endereços para um nome",
      "Um link diz que este nome leva a outro lugar que o que conhece.",
      "Fique com o que conhece, salvo se fonte fiável disser que mudou.",
    ],
  },
  other: {
    en: [
      "Not possible",
      "The proxy could not do this.",
      "Try again; allium tunnel show counts what failed.",
    ],
    de: [
      "Nicht möglich",
      "Der Proxy konnte das nicht tun.",
      "Noch einmal versuchen; allium tunnel show zählt, was misslang.",
    ],
    fr: [
      "Impossible",
      "Le proxy n’a pas pu faire cela.",
      "Réessayez ; allium tunnel show compte les échecs.",
    ],
    es: [
      "No es posible",
      "El proxy no pudo hacerlo.",
      "Inténtelo de nuevo; allium tunnel show cuenta lo que falló.",
    ],
    ru: [
      "Не получилось",
      "Прокси не смог этого сделать.",
      "Попробуйте ещё раз; allium tunnel show считает неудачи.",
    ],
    zh: ["无法完成", "代理未能完成此操作。", "请重试；allium tunnel show 会统计失败。"],
    pt: [
      "Não foi possível",
      "O proxy não conseguiu fazer isto.",
      "Tente de novo; allium tunnel show conta o que falhou.",
    ],
  },
}

/** Every label in every language. */
export const LABELS: Readonly<Record<Label, Readonly<Record<Language, string>>>> = {
  once: {
    en: "Use once",
    de: "Einmal benutzen",
    fr: "Utiliser une fois",
    es: "Usar una vez",
    ru: "Использовать один раз",
    zh: "使用一次",
    pt: "Usar uma vez",
  },
  save: {
    en: "Save and open",
    de: "Speichern und öffnen",
    fr: "Garder et ouvrir",
    es: "Guardar y abrir",
    ru: "Сохранить и открыть",
    zh: "保存并打开",
    pt: "Guardar e abrir",
  },
  known: {
    en: "The one you know",
    de: "Die bekannte",
    fr: "Celle que vous connaissez",
    es: "La conocida",
    ru: "Известный",
    zh: "您所知的",
    pt: "O que conhece",
  },
  offered: {
    en: "What the link says",
    de: "Was der Link sagt",
    fr: "Ce que dit le lien",
    es: "Lo que dice el enlace",
    ru: "Что говорит ссылка",
    zh: "链接所称的",
    pt: "O que diz o link",
  },
  jump: {
    en: "Ask for this name at",
    de: "Nach diesem Namen fragen bei",
    fr: "Demander ce nom à",
    es: "Preguntar por este nombre en",
    ru: "Спросить об этом имени у",
    zh: "在此查询该名称",
    pt: "Perguntar por este nome em",
  },
}
