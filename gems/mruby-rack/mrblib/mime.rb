module Rack
  # Content types by the names of files.
  module Mime
    MIME_TYPES = {
      '.7z' => 'application/x-7z-compressed',
      '.aac' => 'audio/aac',
      '.atom' => 'application/atom+xml',
      '.avif' => 'image/avif',
      '.avi' => 'video/x-msvideo',
      '.bin' => 'application/octet-stream',
      '.bmp' => 'image/bmp',
      '.bz2' => 'application/x-bzip2',
      '.c' => 'text/plain',
      '.css' => 'text/css',
      '.csv' => 'text/csv',
      '.doc' => 'application/msword',
      '.docx' => 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
      '.eot' => 'application/vnd.ms-fontobject',
      '.epub' => 'application/epub+zip',
      '.flac' => 'audio/flac',
      '.gif' => 'image/gif',
      '.gz' => 'application/gzip',
      '.htm' => 'text/html',
      '.html' => 'text/html',
      '.ico' => 'image/vnd.microsoft.icon',
      '.ics' => 'text/calendar',
      '.jpeg' => 'image/jpeg',
      '.jpg' => 'image/jpeg',
      '.js' => 'text/javascript',
      '.json' => 'application/json',
      '.log' => 'text/plain',
      '.m4a' => 'audio/mp4',
      '.m4v' => 'video/mp4',
      '.map' => 'application/json',
      '.md' => 'text/markdown',
      '.mid' => 'audio/midi',
      '.mjs' => 'text/javascript',
      '.mov' => 'video/quicktime',
      '.mp3' => 'audio/mpeg',
      '.mp4' => 'video/mp4',
      '.mpeg' => 'video/mpeg',
      '.odp' => 'application/vnd.oasis.opendocument.presentation',
      '.ods' => 'application/vnd.oasis.opendocument.spreadsheet',
      '.odt' => 'application/vnd.oasis.opendocument.text',
      '.oga' => 'audio/ogg',
      '.ogg' => 'application/ogg',
      '.ogv' => 'video/ogg',
      '.opus' => 'audio/ogg',
      '.otf' => 'font/otf',
      '.pdf' => 'application/pdf',
      '.png' => 'image/png',
      '.ppt' => 'application/vnd.ms-powerpoint',
      '.pptx' => 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
      '.ps' => 'application/postscript',
      '.rar' => 'application/vnd.rar',
      '.rb' => 'text/x-script.ruby',
      '.rss' => 'application/rss+xml',
      '.rtf' => 'application/rtf',
      '.sh' => 'application/x-sh',
      '.svg' => 'image/svg+xml',
      '.svgz' => 'image/svg+xml',
      '.tar' => 'application/x-tar',
      '.text' => 'text/plain',
      '.tif' => 'image/tiff',
      '.tiff' => 'image/tiff',
      '.ttf' => 'font/ttf',
      '.txt' => 'text/plain',
      '.wasm' => 'application/wasm',
      '.wav' => 'audio/x-wav',
      '.webm' => 'video/webm',
      '.webmanifest' => 'application/manifest+json',
      '.webp' => 'image/webp',
      '.woff' => 'font/woff',
      '.woff2' => 'font/woff2',
      '.xhtml' => 'application/xhtml+xml',
      '.xls' => 'application/vnd.ms-excel',
      '.xlsx' => 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
      '.xml' => 'application/xml',
      '.xsl' => 'application/xml',
      '.yaml' => 'text/yaml',
      '.yml' => 'text/yaml',
      '.zip' => 'application/zip',
      '.zst' => 'application/zstd',
    }

    # By an extension with its dot.
    def self.mime_type(extension, fallback = 'application/octet-stream')
      MIME_TYPES.fetch(extension.to_s.downcase, fallback)
    end

    # "text/*" and "*/*" match more than one.
    def self.match?(value, matcher)
      type, subtype = value.split('/', 2)
      wanted, wanted_subtype = matcher.split('/', 2)
      (wanted == '*' || wanted == type) && (wanted_subtype == '*' || wanted_subtype == subtype)
    end
  end
end
